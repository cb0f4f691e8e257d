"""The runs of the 2015 paper and of its 2025 reproduction, replayed by the shared trainer.

`table` says which runs there are, `attempt` does one of them, `scores` and `field_metrics`
measure its network, `report` and `figures` show what was found beside what was published.
"""
