"""Fine-tuning of a LoRA adapter: `python -m adapters.training`, a process of its own.

`torch`, `transformers`, `peft` and `trl` are imported here and nowhere else in Repertory.
"""
