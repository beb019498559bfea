"""What + where: front ends, encoders, the model, its checkpoints."""
