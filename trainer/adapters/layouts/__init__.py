"""Adapter files of every program, as one: each layer's change as a pair of matrices.

``factors`` turns what stands for a layer into the pair, ``reading`` does so for a whole file. Which layer a key is of:
:mod:`trainer.contract.adapter_places`; the table of the keys' ends: :mod:`trainer.contract.adapter_keys`.
"""
