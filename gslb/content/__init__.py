"""What is compressed and what is kept of answers: pure."""
