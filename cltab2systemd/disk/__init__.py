"""Files: tables as they are read, the state of an instance, and the units that it installs."""
