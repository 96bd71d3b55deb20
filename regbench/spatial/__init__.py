"""Volumes and displacement fields: one convention, one implementation of each operation.

A displacement field is float32 (X, Y, Z, 3), in voxels of the fixed grid, component k along array
axis k, pull-back: `warped(x) = moving(x + u(x))`.
"""

# What the numbers of a file of fields, or of another tool's transform, may be.
#: Of a submitted field. `voxel`: the convention of this project, and of Learn2Reg since 2022.
#: `l2r-2021-half`: components first, at half resolution.
SUBMITTED = ("voxel", "l2r-2021-half")
#: Layouts whose displacements are in voxels of the fixed grid already.
IN_VOXELS = (*SUBMITTED, "deeds")
#: Whether a field of FSL holds positions; None: its values decide.
FSL = {"fsl": None, "fsl-relative": False, "fsl-absolute": True}
#: What a file may hold. `auto` goes by its ending and first words.
LAYOUTS = (*IN_VOXELS, "itk", "elastix", "niftyreg", "greedy", *FSL, "auto")
