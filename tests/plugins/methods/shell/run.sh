# Writes a field with nothing but a Python one-liner: any program would do.
set -e
case "$4" in
zero)
    "${REGBENCH_PYTHON:-python3}" -c '
import sys, nibabel, numpy
f = nibabel.load(sys.argv[1])
nibabel.save(nibabel.Nifti1Image(numpy.zeros((*f.shape, 3), "f4"), f.affine), sys.argv[2])
' "$1" "$3"
    ;;
silent) exit 0 ;;
*)
    echo "the reason is here" >&2
    exit 5
    ;;
esac
