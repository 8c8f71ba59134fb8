"""The rules of tidy by idea. A rule is a function ``rule_...(house)`` whose docstring is its reason."""
