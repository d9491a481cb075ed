"""The kinds of file a lead provider may send, a module each: columns, whose row it is, rules, the records that it is judged by."""
