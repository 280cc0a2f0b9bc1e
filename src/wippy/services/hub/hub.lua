-- The guest side of module `hub` (spec 01 §16.4): what `versions.open` gives. The handle is the host's; its fields are
-- put there once, and the files of a resource are an FS like any other.
local S, module, host, classes = ...
local rawset = rawset
S.module("fs")

local package = classes.Package.methods

local function open(reference, version, options)
  local handle, number, digest = host.open_package(reference, version, options)
  if not handle then return nil, number end
  rawset(handle, "version", number)
  rawset(handle, "digest", digest)
  rawset(handle, "packed", true)
  return handle, nil
end
module.versions.open = open

function package:fs(resource)
  local id, err = host.volume(self, resource)
  if not id then return nil, err end
  return S.volume_at(id), nil
end
