"""Small painted charts of one place: why it scores so, and what Sun and Earth do over it.

``words``, ``site_model`` and ``sky_model`` turn the engine's answers into values and sentences and
need the standard library only. A module for each chart draws it: ``height``, ``paint`` and
``tip_at``, plain functions on any painter. ``widgets`` puts them on the screen.
"""
