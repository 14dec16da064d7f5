"""Adapter files of every program, as one: each layer's change as a pair of matrices.

``places`` says which layer a key is of, ``factors`` turns what stands there into the pair, ``reading`` does both for a
whole file. The table of the keys' ends is :mod:`trainer.contract.adapter_keys`.
"""
