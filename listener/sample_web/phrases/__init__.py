"""The words of the sample web: what invented people say, by language, topic and stance.

Only data lives here. A line may hold alternatives, `(a|b|c)`, and slots, `{name}`; Korean
particles that depend on the word before them are written as a pair, `{은/는}`.
"""
