"""What people read: a code with parameters here, a text in the reader's language only where somebody reads it."""
