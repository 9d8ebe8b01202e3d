"""How llama.cpp is compiled and which images hold it: one recipe for images and for hosts."""
