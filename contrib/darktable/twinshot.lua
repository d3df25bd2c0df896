--[[
  twinshot for darktable: one sharp picture from the selected short and long photograph.

  Put this file into darktable's folder "lua" and the line   require "twinshot"   into "luarc" beside that folder.
  Then select two or more photographs of the same scene in the lighttable and press "twinshot" among the actions on
  selected images. The files themselves are used, without the edits made in darktable; the result is imported and grouped
  with the short photograph.

  SPDX-License-Identifier: Apache-2.0
]]

local dt = require "darktable"

local NAME = "twinshot"
local RAW = {arw = true, cr2 = true, cr3 = true, dng = true, nef = true, orf = true, pef = true, raf = true, rw2 = true}
local WINDOWS = package.config:sub(1, 1) == "\\"

dt.preferences.register(NAME, "command", "string", "twinshot: command", "the program to run", "twinshot")
dt.preferences.register(NAME, "options", "string", "twinshot: options", "for example --model twin-large", "")

-- The text as one word of the shell's.
local function quoted(text)
  if WINDOWS then
    return '"' .. text .. '"'
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function file_of(image)
  return image.path .. (WINDOWS and "\\" or "/") .. image.filename
end

-- The shortest exposure first: the result is named after it and grouped with it.
local function by_exposure(images)
  local sorted = {table.unpack(images)}
  table.sort(sorted, function(a, b) return a.exif_exposure < b.exif_exposure end)
  return sorted
end

-- Beside the short photograph, under a name that is not taken: linear DNG of raw files, otherwise TIFF.
local function target(short)
  local stem, ending = short.filename:match("^(.*)%.([^.]*)$")
  local kind = RAW[(ending or ""):lower()] and "dng" or "tif"
  local base = short.path .. (WINDOWS and "\\" or "/") .. (stem or short.filename) .. "-restored"
  local path, number = base .. "." .. kind, 2
  while io.open(path, "r") do
    path, number = base .. "-" .. number .. "." .. kind, number + 1
  end
  return path
end

local function command_for(images, output)
  local words = {quoted(dt.preferences.read(NAME, "command", "string")), "restore"}
  for _, image in ipairs(images) do
    words[#words + 1] = quoted(file_of(image))
  end
  words[#words + 1] = "-o " .. quoted(output)
  if output:match("%.tif$") then
    words[#words + 1] = "--bits 16"
  end
  words[#words + 1] = dt.preferences.read(NAME, "options", "string")
  return table.concat(words, " ")
end

local function restore(_, images)
  if #images < 2 then
    dt.print("twinshot: select a short and a long photograph of the same scene")
    return
  end
  local sorted = by_exposure(images)
  local output = target(sorted[1])
  dt.print("twinshot: restoring " .. sorted[1].filename)
  if dt.control.execute(command_for(sorted, output)) ~= 0 then
    dt.print("twinshot: nothing was made; start darktable from a terminal to see why")
    return
  end
  dt.database.import(output):group_with(sorted[1])
  dt.print("twinshot: imported " .. output)
end

dt.gui.libs.image.register_action(NAME, "twinshot", restore, "make one sharp picture of the selected short and long one")
