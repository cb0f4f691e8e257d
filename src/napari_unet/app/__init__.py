"""What a window needs and a window is not: the session, and jobs for the background. No Qt."""
