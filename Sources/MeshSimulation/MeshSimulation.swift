package import MeshCore
