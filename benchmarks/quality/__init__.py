"""How good after how many processor seconds: ours beside what people would pick instead.

``python -m benchmarks.quality TOOL DATA --seconds 120 600`` trains one tool from scratch on one
kind of data and keeps its scores in docs/quality/; ``python -m benchmarks.quality.page`` writes
docs/quality.md. The peers have environments of their own, made by ``environments.sh``.
"""
