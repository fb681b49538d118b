"""The method: two players learn from the same recordings and from each other."""
