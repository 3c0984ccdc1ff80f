# Shapes of the vendor's own lines with other values (Khoros contract 1.3 and 7). HOST, USER, PASSWORD, KEY, START and
# END are put in by the test. Before each line: section, mark and what is odd about it.

# 7 documented get
curl -u USER:PASSWORD 'HOST/reports/report/conversation?companyKey=KEY&startTime=START&endTime=END'

# 7 documented post-and-no-body
curl -X POST -u USER:PASSWORD 'HOST/reports/report/conversation?companyKey=KEY&startTime=START&endTime=END&reportFormat=CSV&locale=en_US'

# 7 seen repeated-metrics
curl -X POST --user USER:PASSWORD 'HOST/reports/report/conversation?companyKey=KEY&startTime=START&endTime=END&reportMetrics=CONVERSATION_ID&reportMetrics=STATUS&reportMetrics=ASSIGNED_AGENT_DISPLAY_ID'

# 7 seen empty-pair
curl -X POST -u USER:PASSWORD 'HOST/reports/report/combined?companyKey=KEY&startTime=START&&endTime=END&timeInterval=3600000'

# 7 seen encoded-blank
curl -X POST -u USER:PASSWORD 'HOST/reports/report/author?companyKey=KEY&startTime=START&endTime=END&%20enableBusinessHour=true'

# 7 seen form
curl -X POST -u USER:PASSWORD 'HOST/reports/report/user?companyKey=KEY' -H 'Content-Type: application/x-www-form-urlencoded' -d 'startTime=START&endTime=END& includeDisabled=true&agentId=1&agent=2'

# 7 seen form-lines
curl -X POST -u USER:PASSWORD 'HOST/reports/report/conversation_actions?companyKey=KEY' --data-urlencode startTime=START --data-urlencode endTime=END --data-urlencode 'priorities=0,1,2'

# 1.3 seen doubled-segment
curl -u USER:PASSWORD 'HOST/reports/report/report/raw_agent_states?companyKey=KEY&startTime=START&endTime=END&reportMetrics=agent_name&reportMetrics=agent_email&teamIds=1%2C2&includeDisabled=true'

# 1.3 documented publishing
curl -u USER:PASSWORD 'HOST/reports/report/marketing/brand_post?companyKey=KEY&startTime=START&endTime=END'

# 7 documented zone-and-offset
curl -X POST -u USER:PASSWORD 'HOST/reports/report/response?companyKey=KEY&startTime=START&endTime=END&timezone=America%2FNew_York&timezoneOffset=-18000000&smartViewId=17&workqueueIds=31%2C32'
