"""Do the rows that the live model is asked about still look like those it was trained on?"""
