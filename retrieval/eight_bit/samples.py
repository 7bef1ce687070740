"""Texts that a model reads while it is turned into eight bits: to see its activations, and to check the result.

Written for this: prose, rules, code, figures, a question, two other languages; long ones and short ones.
"""

MEASURED = (
    "Boots bought in a sale may be sent back within twenty one days, unworn and in their box, with the "
    "paper slip that came with them. Shops take them too, and the refund reaches the card after four "
    "working days, or after nine when the bank sits abroad. Gift cards are refunded as gift cards, and "
    "the way back is paid by the shop wherever the goods were broken on arrival.",
    "Configuration > Time-outs\nSet `retry_after_ms: 1500` in settings.yaml, or export "
    "RETRY_AFTER_MS=1500 before the service starts. Values under 200 are refused with E_RANGE (HTTP "
    "400). See also: max_attempts (default 3), backoff=exponential|linear, jitter=true.",
    "The trial enrolled 412 patients (mean age 57.3, 48% women). After 24 weeks the treated group had "
    "a mean reduction of 1.8 mmol/L against 0.6 in the control group (95% CI 0.9-1.5, p < 0.001); mild "
    "nausea was the most frequent adverse event. Expression of the receptor in T cells did not differ "
    "between the groups.",
    "How long do I have to report a data breach, and to whom?",
    "Die Planung eines Sprints dauert höchstens acht Stunden. Das Team wählt aus, was es fertigstellen "
    "kann, und der Product Owner erklärt, warum die Aufgaben wichtig sind. Am Ende steht ein Ziel, auf "
    "das sich alle einigen.",
    'def total(items: list[Item]) -> Decimal:\n    """Sum of price times count, without VAT."""\n    '
    "return sum((item.price * item.count for item in items), start=Decimal(0))",
    "In the spring of 1878 the river broke its banks twice, and the mills below the old bridge stood "
    "under water for eleven days. What had been a road of shops became a canal on which the baker "
    "delivered by boat; the church kept its bell ringing through the fog, and nobody who heard it ever "
    "forgot the sound.",
    "会议定于下周二上午十点在三楼举行，请携带上季度的报告。",
)
CHECKED = (
    "An employee who has worked for more than five years is entitled to thirty days of paid leave. "
    "Days that were not taken by the end of March lapse, unless illness or an urgent matter of the "
    "company stood in the way; the request must be made in writing two weeks before, and the manager "
    "answers within three days.",
    "Install the package, then run `service init --port 8443`. If the log shows 'certificate expired', "
    "renew it with the command below and restart; clients reconnect by themselves within 30 s.",
    "Photosynthesis turns carbon dioxide and water into sugar and oxygen. It happens in the "
    "chloroplasts, whose membranes hold the pigments; the light reactions make ATP and NADPH, which "
    "the Calvin cycle then uses up.",
    "Where can I change the delivery address of an order that was already shipped?",
    "Net revenue rose by 7.4% to 1,284 million, mainly on account of higher volumes in Asia; the "
    "operating margin narrowed from 12.1% to 11.6% because of freight and energy. The board proposes a "
    "dividend of 0.85 a share.",
    "Le train part à neuf heures et demie du quai numéro quatre, et le billet doit être composté avant le départ.",
    "She closed the shop early that evening. Snow had begun to fall over the harbour, and the last "
    "ferry was late; in the window of the inn across the square a lamp was lit, then another, until "
    "the whole house glowed.",
    "error codes",
)
