"""Command grammar: from syntax strings to a parse of what was typed, with abbreviations.

Syntax of one command, in words separated by blanks::

    keyword              lower case or not; any unambiguous prefix is accepted, case is ignored
    !keyword             hidden keyword: accepted when spelled in full, never shown
    <name:kind>          parameter; kinds: word, line (rest of the line), ipv4, url, hex, N-M (range of
                         whole numbers), or a kind of the profile's [kinds]
    [ a b ]              optional
    { a | b c | d }      one of
    { a | b <x:word> }*  any of, in any order, each at most once

Keywords win over parameters. The table is compiled lazily, state by state, once per profile, and is
shared by all consoles.
"""
