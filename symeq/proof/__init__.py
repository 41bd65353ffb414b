"""Exact claims about the operators of a layer: derived with SymPy, and checked by a program without it.

Nothing is imported here, so that ``symeq.proof.checker`` loads neither SymPy nor the prover.
"""
