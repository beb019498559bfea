"""What people do with a trained model: embed, locate, index, search, describe."""
