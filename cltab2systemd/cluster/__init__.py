"""Several nodes seen as one: what each says of its groups, and what is wrong between them. Pure."""
