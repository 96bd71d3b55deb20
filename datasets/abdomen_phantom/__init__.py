"""The data set `abdomen_phantom`: synthetic pairs of abdominal MR and CT of one patient."""
