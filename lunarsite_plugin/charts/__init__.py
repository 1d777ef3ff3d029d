"""Charts of one place: why it scores as it does, and where the Sun and the Earth are in its sky.

``formatting``, ``site_model``, ``sky_model`` and ``calendar_model`` turn the engine's answers into
values and sentences, and need only the standard library. Each chart has a module that draws it on
any painter, with the functions ``height``, ``paint`` and ``tip_at``. ``widgets`` shows them on the
screen.
"""
