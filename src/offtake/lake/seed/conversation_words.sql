-- Texts, networks and number of authors of conversations, also for tables that do not need the conversations
-- themselves.
--
-- The variable ``authors`` is the number of authors. Author i belongs to customer i // 2.
SET VARIABLE tag_names = ['refund', 'VIP', 'bug', 'Rechnung, offen', 'say "thanks"', '返品', 'жалоба', 'شكوى', 'תודה', '=urgent', '🔥 hot', E'two\nlines', 'refund', 'spam'];
SET VARIABLE inbox_names = ['Support', 'Sales, EU', 'Returns "Gold"', 'サポート', 'Поддержка', 'دعم', 'billing+refunds', '=Inbox', E'Night\nshift', '📮'];
SET VARIABLE subjects = ['Where is my order?', 'Re: Re: Fwd: invoice', '返金について', 'Не работает, помогите', 'استفسار', 'חשבונית', '', 'Order "4711", again', '=1+1', E'Line\nbreak', '🙏', 'Reclamação, 2.ª via'];
SET VARIABLE messages = [
    'Hello, my parcel has not arrived.', 'Thank you!', 'Any news?', 'It says "error 42", what now?', E'Dear all,\n\nplease cancel my order.\n\nKind regards', E'First\r\nSecond',
    '荷物が届きません。', 'Заказ не пришёл, что делать?', 'لم يصل الطلب', 'החבילה לא הגיעה', '@brand help', '#fail', '=1+1', '+1', '-', 'ok 👍🏽', '', 'naïve café', 'cafe' || chr(769), '<p>Hi</p>', '{"a": [1]}', 'Long: ' || repeat('very ', 80) || 'slow', E'\ttab', '0', 'null'
];

SET VARIABLE authors = (SELECT 1 + count(*) // 15 FROM numbered);

CREATE MACRO network_of(author) AS
    ['facebook', 'facebook', 'twitter', 'twitter', 'instagram', 'instagram', 'email', 'email', 'email', 'chat'][1 + uniform(roll('author', author), 0, 10)];
CREATE MACRO instance_of(author) AS
    CASE WHEN uniform(roll('author', author), 1, 9) > 0 THEN network_of(author) || ['-main', '-eu', '-jobs'][1 + uniform(roll('author', author), 2, 3)] END;
