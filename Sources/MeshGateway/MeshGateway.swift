internal import MeshCore
