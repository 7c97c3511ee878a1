"""Fine-tuning a language model by imitation of an environment's expert (DAgger).

This package knows demonstrations. It does not know switching.
"""
