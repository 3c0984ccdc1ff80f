-- The filter expression of one smart view, and the business hours that it sets.
SELECT expression, business_hours FROM smart_view WHERE smart_view_id = $id
