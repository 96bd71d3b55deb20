"""Data sets: the Learn2Reg layout on disk, its reader and writer, and tasks cut from it."""
