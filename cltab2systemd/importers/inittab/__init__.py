"""inittabs into tables: Cluster::Init grew out of them."""
