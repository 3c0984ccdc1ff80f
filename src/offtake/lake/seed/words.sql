-- Texts of the sample data. People, companies and numbers are invented. Odd texts are intended: quotes, commas, line
-- breaks, tabs, formula prefixes, many scripts, combining marks (by chr, because DuckDB knows no \u), right-to-left text,
-- emoji.
SET VARIABLE given = ['Ana', 'Bérénice', 'Chidi', 'Dóra', 'Эмма', 'Femi', 'Γιώργος', 'Håkon', 'İlkay', 'ジュン', 'Kōan', 'Łucja', 'Minh', 'Noor', 'Örn', 'Priya', '秋', 'Renée', 'Șerban', 'טל', 'Ülo', 'Vít', 'وليد', 'Xiu', 'Yael', 'Želimir'];
SET VARIABLE family = ['Abrantes', 'Böhmová', 'Çınar', 'Dvořáček', 'Eze', 'Фомин', 'García-Ríos', 'Högdal', '伊吹', 'Jääskö', 'Kowalczuk', 'Lê', 'Marchetti', 'Nakamori', 'Ó Bríain', 'Papadimos', 'Quirke', 'Rosenqvist', 'Şahinler', 'Təhməz', 'Ubaldi', 'van der Zee', '王', 'Yılmazer', 'Zoë'];
SET VARIABLE odd_names = [
    'O''Hara, Siún', 'Jo "Ace" Quill', '=SUM(1,1) Costa', '+Plus Pereira', '#Hash Hansen', '@at Atkins', '-Minus Moreau',
    E'Tab\tTorres', E'Line\nBreak', E'Carriage\r\nReturn', 'Иван, «Ваня» Сомов', '山田 "ハナ" はな子', 'مريم، القاسمي', 'נועה ״נו״ ברק',
    '👩🏽‍💻 Dev Ops', 'Zoë Ångström', 'Zoe' || chr(776) || ' A' || chr(778) || 'ngstro' || chr(776) || 'm', ' leading and trailing ', 'null', 'N/A; "x"|y\z', '<b>Bold</b> & Co', E'''single''', '𝒜nnika 𠮷野', '0123'
];
SET VARIABLE team_names = ['Front Line', 'Billing, "Gold"', 'Équipe Nuit', '夜間チーム', E'Second\nLine', '=Team', 'Ночная смена', 'فريق الدعم', 'צוות', 'Retail + Web', '#escalations', '🚀 Launch'];
SET VARIABLE queue_names = ['sales', 'support', 'billing', 'Técnico, nível 2', 'VIP "black"', '日本語', 'Очередь 1', 'قائمة', 'תור', 'returns+refunds', '=cmd', E'two\nlines', '🛟 rescue', '', E'tab\there', '#1 priority'];
SET VARIABLE labels = ['Main line', 'Sales, EU', 'Hotline "24/7"', '本社', 'Горячая линия', 'خط', '=1+1', E'Old\nnumber', '📞', '', '+Promo', 'Lojas'];
SET VARIABLE notes = [
    'Asked for a refund.', '', 'Said "call me back", then hung up.', E'First line\nsecond line\n\nfourth line', E'Windows\r\nline ends', 'Перезвонить завтра, после 15:00', 'お客様は「返金」を希望', 'العميل يريد استرداد المبلغ',
    'הלקוח ביקש החזר', '=HYPERLINK("https://example.invalid","click")', '+351 only', '@mention', '-2 days', '#ref', E'\tindented', 'emoji 😀👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈', 'naïve café, crème brûlée', 'cafe' || chr(769), '{"json": ["yes", null]}',
    '<script>alert(1)</script> & <b>', 'back\slash \n not a line end', '""', '"', ',', ';|', 'null', 'NaN', '0012', '1e10', '2026-01-01', 'TRUE', '  spaces  ', '𝕌𝕟𝕚𝕔𝕠𝕕𝕖 𠮷', 'line' || chr(8232) || 'separator', 'a+b+c', '%s {0} $1', 'Long: ' || repeat('na ', 120) || 'batman'
];
SET VARIABLE dispositions = ['Resolved', 'Follow-up', 'Sale, upsell', 'No "answer"', 'Wrong number', 'Завершено', '解決済み', 'Réclamation', '=Done', 'تم الحل'];
SET VARIABLE disposition_sets = ['Default', 'Vendas', 'Collections, EU'];
SET VARIABLE nested = ['Level 2', 'Refund > Partial', 'Возврат', '返金, 一部'];
SET VARIABLE reasons = ['', 'Echo', 'Delay, then silence', 'Choppy "robot"', 'Эхо', '雑音'];
SET VARIABLE moods = ['happy', 'neutral', 'angry', '😡'];
SET VARIABLE texts = ['alpha', '', 'β, γ', 'say "hi"', E'two\nlines', 'Δοκιμή', '测试', 'اختبار', 'בדיקה', '=A1', 'тест', '🧪', E'\t', 'ÀÉÎÕÜ'];
SET VARIABLE work = ['Available', 'On A Call', 'After Call Work', 'Available', 'On A Call', 'After Call Work', 'Away', 'Lunch', 'Available', 'On A Call', 'After Call Work', 'Training, "Level 2"', 'On A Call', 'Pausa ☕', 'Available', 'On A Call'];
SET VARIABLE campaign_names = ['Renewals 2026', 'Win-back, "Gold"', 'Umfrage: zufrieden?', '春の案内', 'Напоминание, 2', E'Two\nlines', '=Promo', 'حملة الصيف'];
SET VARIABLE flow_names = ['Main menu', 'Vendas, "Gold"', E'Night\nservice', 'Главное меню', '=Flow', 'メイン', NULL];
SET VARIABLE step_names = ['start', 'greeting', 'open?', 'menu, "main"', 'ring the queue', 'inicio', 'saudação', E'horário\nde loja', 'menú', 'chamar', '開始', '挨拶', '', '+menu', '@queue'];
SET VARIABLE survey_names = ['After the call', 'Inquérito "pós-chamada", v2', 'アンケート', E'Опрос\n(старый)'];
SET VARIABLE survey_texts = ['How satisfied are you, 1 to 5?', 'What could we do better?', 'Quão satisfeito está, de 1 a 5?', 'O que podemos melhorar? "Diga tudo"', '満足度を1から5で', E'ご意見\nをどうぞ', 'Довольны ли вы, от 1 до 5?', '=Почему?'];
