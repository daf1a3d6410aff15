"""What a training takes before it starts: memory, time and money, from sizes, listed peaks and listed prices."""
