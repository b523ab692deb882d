"""The brands that no network of the logo detector may see a photograph of, so that unseen ones can be measured."""

HELD_BRANDS = frozenset({"BMW", "DHL", "HP", "Nbc", "Porsche", "Texaco"})
"""Every third of the twenty public brands by their names, from the third: chosen before anything was trained."""
