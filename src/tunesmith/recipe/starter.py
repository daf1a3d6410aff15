"""The recipe that `tunesmith new` writes."""

STARTER = """\
name: my-first-run
goal: task                           # style | format | task | domain | knowledge
base: scratch:1M                     # or a model folder
seed: 7
data:
  examples:
    - source: csv
      path: examples.csv             # with columns question and answer
      text: answer                   # the column that is the record's text; all others can be named too
      license: LicenseRef-ours       # of the rows, as SPDX writes it
    - edit: redact_pii
    - edit: to_chat
      user: "{question}"
      assistant: "{text}"
    - pass: exact_dedup
    - signal: words
      on: answer
      keep: {min: 1, max: 200}
    - pass: split
      parts: {train: 0.8, validation: 0.1, test: 0.1}
train:
  - sft: tuned
    data: examples
evaluate:
  on: examples.test
  metrics: [exact_match, rouge_l, words]
  against: [untrained, {nearest: {rows: examples.train}}]
  gate:
    rouge_l: {gain: {above: 0.0, to: nearest}}
serve:
  store: true
"""
