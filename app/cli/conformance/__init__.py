"""The bridge contract as rules, and the run that holds somebody's implementation against them.

One module per section of docs/bridge.md, or per theme of § 8, each a list of rules that can be read beside it. It
speaks to one property of one bridge over HTTP and knows nothing of our adapter, our simulators, our databases.
"""
