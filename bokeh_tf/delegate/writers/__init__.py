"""Writers of check results, one module per format: each turns judged reports into text,
and escapes what it quotes.
"""
