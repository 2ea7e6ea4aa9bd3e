"""What people read and look at: text for terminals, pictures, pages."""
