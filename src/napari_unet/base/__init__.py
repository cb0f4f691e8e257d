"""What every room needs: errors, words for quantities, units, files, threads, memory."""
