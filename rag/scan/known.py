"""Names that say what a file is: secrets, what tools make, what is no text.

All from the documentation of the tools that make them; each table is one kind. Nothing here looks into a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", "_darcs", ".jj", "CVS", ".fslckout"})

# Secrets

_SECRET_NAMES = frozenset(
    {
        ".env", ".envrc", ".flaskenv", ".npmrc", ".yarnrc.yml", ".pypirc", ".netrc", "_netrc", ".authinfo",
        ".pgpass", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".htpasswd", ".dockercfg", ".vault-token",
        ".s3cfg", ".boto", ".credentials", "credentials", "credentials.json", "credentials.toml",
        "credentials.csv", "credentials.yml", "credentials.yaml", "credentials.db", "secrets.json",
        "secrets.toml", "secrets.yml", "secrets.yaml", "master.key", "id_rsa", "id_dsa", "id_ecdsa",
        "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "wallet.dat", "application_default_credentials.json",
        "access_tokens.db", "accessTokens.json", "google-services.json", ".terraformrc", "terraform.rc",
        "auth.json", "hub.token", "kubeconfig",
    }
)  # fmt: skip
_SECRET_SUFFIXES = frozenset(
    {
        ".pem", ".key", ".p12", ".pfx", ".p8", ".pk8", ".jks", ".keystore", ".bks", ".kdb", ".kdbx", ".ppk",
        ".ovpn", ".gpg", ".pgp", ".age", ".tfstate", ".tfvars", ".agilekeychain", ".opvault", ".1pux",
        ".keychain", ".mobileprovision", ".psafe3", ".rdp", ".keytab",
    }
)  # fmt: skip
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".password-store", ".gcloud"})
_ENV_EXAMPLES = (".example", ".sample", ".template", ".dist", ".defaults", ".schema")
_SERVICE_ACCOUNT = re.compile(r"(client[-_]?secrets?|service[-_]?account|firebase-adminsdk).*\.json\Z", re.IGNORECASE)


def secret(name: str) -> bool:
    """Whether files of this name usually hold keys or passwords."""
    lower = name.lower()
    if lower.startswith(".env."):
        return not lower.endswith(_ENV_EXAMPLES)
    return (
        lower in _SECRET_NAMES
        or suffix(lower) in _SECRET_SUFFIXES
        or (lower.endswith(".json") and _SERVICE_ACCOUNT.match(lower) is not None)
    )


def secret_folder(name: str) -> bool:
    return name in _SECRET_FOLDERS


# Generated and vendored

_CACHES = frozenset(
    {
        "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints",
        ".cache", ".parcel-cache", ".turbo", ".sass-cache", ".gradle", ".eggs", ".tox", ".nox", "htmlcov",
        ".nyc_output", ".next", ".nuxt", ".svelte-kit", ".output", ".angular", ".dart_tool", ".terraform",
        ".stack-work", ".bloop", ".metals", "elm-stuff", "_build", "DerivedData", "buck-out", ".vs",
        ".ccls-cache", ".clangd", ".serverless", ".pnpm-store",
    }
)  # fmt: skip
_VENDORED = frozenset(
    {
        "node_modules", "bower_components", "jspm_packages", "site-packages", "dist-packages",
        "__pypackages__", "_vendor", "third_party", "thirdparty", "3rdparty", ".venv", "venv", "Pods",
        "Carthage", ".bundle",
    }
)  # fmt: skip
# Names that are source as often as not: they count where a project begins, and not when source lies in them.
_BUILT = frozenset({"build", "dist", "target", "out"})
_PROJECT_FILES = frozenset(
    {
        "package.json", "pyproject.toml", "setup.py", "setup.cfg", "Cargo.toml", "pom.xml", "build.gradle",
        "build.xml", "build.gradle.kts", "build.sbt", "CMakeLists.txt", "Makefile", "makefile", "GNUmakefile",
        "meson.build", "configure.ac", "composer.json", "Gemfile", "go.mod", "mix.exs", "pubspec.yaml",
        "deno.json", "Package.swift", "dune-project", "stack.yaml", "project.clj", ".git", ".gitignore",
        "tsconfig.json", "gulpfile.js",
    }
)  # fmt: skip
_SOURCE_FILES = frozenset({"__init__.py", "mod.rs", "lib.rs", "main.go", "package-info.java", "index.ts"})
_SOURCE_SUFFIXES = frozenset({".go", ".rs", ".java", ".kt", ".py", ".ts"})

_LOCKS = frozenset(
    {
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb",
        "deno.lock", "poetry.lock", "pdm.lock", "uv.lock", "Pipfile.lock", "pixi.lock", "conda-lock.yml",
        "Cargo.lock", "Gemfile.lock", "composer.lock", "go.sum", "go.work.sum", "mix.lock", "pubspec.lock",
        "Podfile.lock", "Cartfile.resolved", "Package.resolved", "flake.lock", "packages.lock.json",
        "paket.lock", "gradle.lockfile", "Manifest.toml", "stack.yaml.lock", "rebar.lock", "MODULE.bazel.lock",
        ".terraform.lock.hcl", "Chart.lock",
    }
)  # fmt: skip
_GENERATED = re.compile(
    r"""(?:.*(?:
        [.-]min\.(?:js|mjs|cjs|css|html) | \.bundle\.js | \.chunk\.(?:js|css) | \.(?:js|css|mjs|cjs|ts)\.map
      | \.pb\.(?:go|cc|h|swift|rs|gw\.go) | _pb2(?:_grpc)?\.pyi? | _pb\.(?:js|ts|d\.ts)
      | \.g\.(?:dart|cs) | \.freezed\.dart
      | \.designer\.(?:cs|vb) | \.g\.i?\.cs | _generated\.go | \.gen\.go | zz_generated.*\.go
      | \.tsbuildinfo | \.snap | \.map | \.egg-info
    ))\Z""",
    re.VERBOSE,
)


def generated(name: str) -> str:
    """What makes a file of this name, in words; "" when it is written by people."""
    if name in _LOCKS:
        return "a lock file"
    if _GENERATED.match(name):
        return "minified" if ".min." in name or "-min." in name else "made by a tool"
    return ""


def cache_folder(name: str) -> bool:
    """Whether a folder of this name holds only what tools can make again."""
    return name in _CACHES or name.startswith("cmake-build-")


def vendored_folder(name: str, beside: Callable[[], Collection[str]], inside: Callable[[], Collection[str]]) -> bool:
    """Whether a folder holds other people's files or what a build made.

    `beside` are the names in the folder that holds it, `inside` those in itself; they are asked for only when the name
    leaves it open: "build" is a build's where a project file stands beside it, unless source code lies right in it.
    """
    if name in _VENDORED:
        return True
    if name in _BUILT:
        return not _PROJECT_FILES.isdisjoint(beside()) and not _source(inside())
    if name in ("bin", "obj"):
        return any(other.endswith((".csproj", ".fsproj", ".vbproj")) for other in beside())
    if name == "vendor":
        return not {"modules.txt", "autoload.php", "bundle"}.isdisjoint(inside()) or not {
            "go.mod",
            "composer.json",
            "Gemfile",
            "package.json",
        }.isdisjoint(beside())
    return name in ("env", "virtualenv") and "pyvenv.cfg" in inside()


def ambiguous_folder(name: str) -> bool:
    """Whether the name alone makes one think of others' or built files."""
    return name in _VENDORED or name in _BUILT or name in ("vendor", "env", "virtualenv", "bin", "obj")


def _source(names: Collection[str]) -> bool:
    return any(name in _SOURCE_FILES or suffix(name) in _SOURCE_SUFFIXES for name in names)


# No text

_BINARY = frozenset(
    {
        # pictures, sound, film, fonts
        ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ico", ".icns", ".webp", ".avif", ".heic", ".heif", ".tif",
        ".tiff", ".psd", ".xcf", ".cr2", ".nef", ".dng", ".exr", ".hdr", ".tga", ".dds", ".ktx", ".ktx2",
        ".astc", ".cur", ".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aiff",
        ".mid", ".midi", ".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".wmv", ".flv", ".mpg", ".mpeg",
        ".3gp", ".ttf", ".otf", ".woff", ".woff2", ".eot", ".pfb", ".pfm",
        # archives and images of disks
        ".zip", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".lz4", ".lzma", ".br", ".7z", ".rar",
        ".tar", ".cab", ".iso", ".img", ".dmg", ".vhd", ".vhdx", ".vmdk", ".qcow2", ".deb", ".rpm", ".apk",
        ".ipa", ".aab", ".jar", ".war", ".ear", ".whl", ".egg", ".gem", ".nupkg", ".crate", ".msi", ".msix",
        ".snap", ".flatpak", ".appimage", ".xpi", ".crx", ".vsix",
        # programs and what compilers make
        ".exe", ".dll", ".so", ".dylib", ".a", ".lib", ".o", ".obj", ".ko", ".elf", ".bin", ".sys", ".class",
        ".pyc", ".pyo", ".pyd", ".dex", ".wasm", ".pdb", ".ilk", ".exp", ".gch", ".pch", ".rlib", ".rmeta",
        ".beam", ".hi", ".cmi", ".cmo", ".cmx", ".cma", ".cmxa", ".nib", ".mo", ".gmo", ".qm", ".resources",
        ".node", ".dsym", ".bc", ".nvvm", ".cubin", ".fatbin",
        # data of programs
        ".db", ".sqlite", ".sqlite3", ".db3", ".mdb", ".accdb", ".ldb", ".sst", ".rdb", ".dbf", ".parquet",
        ".feather", ".arrow", ".orc", ".avro", ".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pickle",
        ".joblib", ".pt", ".pth", ".ckpt", ".safetensors", ".gguf", ".ggml", ".onnx", ".tflite", ".caffemodel",
        ".mlmodel", ".tfrecord", ".lmdb", ".idx", ".pack", ".rdata", ".rds", ".sav", ".dta", ".sas7bdat",
        ".nc", ".grib", ".fits", ".dcm", ".shp", ".shx", ".mbtiles", ".pbf", ".osm", ".las", ".laz", ".blend",
        ".fbx", ".glb", ".stl", ".3ds", ".skp", ".dwg", ".dxf", ".sketch", ".fig", ".ai", ".indd", ".swf",
        ".fla", ".unity3d", ".uasset", ".umap", ".pak", ".doc", ".xls", ".ppt", ".mpp", ".vsd", ".vsdx",
        ".one", ".mobi", ".azw", ".azw3", ".djvu", ".chm", ".pages", ".numbers", ".keynote", ".msg", ".pst",
        ".ost", ".wallet", ".torrent", ".crdownload", ".swp", ".swo", ".split",
    }
)  # fmt: skip


def binary(name: str) -> bool:
    """Whether files of this name hold no text that could be read."""
    return suffix(name.lower()) in _BINARY or name in (".DS_Store", "Thumbs.db", "desktop.ini")


def suffix(name: str) -> str:
    """ ".py" of "a.py"; "" without one, and of names that only begin with a dot."""
    at = name.rfind(".")
    return name[at:] if at > 0 else ""
