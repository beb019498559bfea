"""What file names of game and desktop sound sets mean: one rule a line, the first that matches wins.

`pattern -> label: caption; caption`. The pattern is searched in the label (with a leading slash: in the path); the
label's usual captions and the label itself are added. `-> =` keeps the label's own words, {} in captions;
`-> -` drops the clip, as do labels no rule matches: a wrong caption teaches worse than none.
"""

from __future__ import annotations

from open_elsa.corpora import label_rules_a, label_rules_b, label_rules_c

#: Source → its rules; three files in the order of the alphabet, because together they are long.
RULES: dict[str, str] = {**label_rules_a.RULES, **label_rules_b.RULES, **label_rules_c.RULES}
