"""The rules that the judge goes by, each by its name."""

RULES = {
    "beside": "nothing of an old level runs beside what the new one starts",
    "unasked": "no group moves that nobody asked for",
    "clstat": "clstat agrees with the units once all is settled",
    "executed": "clstat never says that all runs while the command of an entry never has",
    "answer": "whoever waits gets one answer, and a true one",
    "definition": "what runs has the definition that its unit has",
    "mark": "no mark outlives its purpose",
    "kept": "nothing is started behind a required entry that has failed, and all else is",
    "trial": "a level on trial goes back in time, and one that is kept never does",
    "hangs": "no start, and no request, takes longer than its stated times",
    "settles": "all comes to its end",
    "error": "the core has no error of its own",
    "mended": "once all is as it should be, each group does as it is told",
}
