"""The way of the data, in order. Start here.

Each step is one function with one type in and one type out; everything that decides is pure, and only
`cli/` and `server/` print, ask or leave files behind.
"""
