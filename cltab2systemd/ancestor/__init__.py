"""The wire protocol of the ancestor, Cluster::Init: Storable messages. Pure."""
