# Compiles lua/ into the program, as the tables that src/lua/embedded.h declares: the modules of
# lua/confab/, and as plain files the stub lua/meta/confab.lua, which `help` reads and `confab init`
# writes, and lua/project/, of which `confab init` makes a project.
#
# Included by CMakeLists.txt it defines the library confab_embedded; run with `cmake -P` it writes
# the C file. The bytes are the plain text, so that tracebacks name the lines a reader sees.

if(CMAKE_SCRIPT_MODE_FILE)
  # cmake -DROOT=<folder of lua/> -DOUT=<file.c> -P embed.cmake

  include(${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)

  set(arrays "")
  set(rows "")
  set(count 0)
  file(GLOB_RECURSE modules RELATIVE ${ROOT} ${ROOT}/confab/*.lua)
  list(SORT modules)
  foreach(module ${modules})
    string(REGEX REPLACE "\\.lua$" "" name "${module}")
    string(REPLACE "/" "." name "${name}")
    embed_file(${module} module_${count})
    string(APPEND rows "    { \"${name}\", module_${count}, ${size} },\n")
    math(EXPR count "${count} + 1")
  endforeach()
  set(module_rows "${rows}")

  set(rows "")
  set(file_count 0)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/project/*)
  list(SORT files)
  foreach(file meta/confab.lua ${files})
    embed_file(${file} file_${file_count})
    string(APPEND rows "    { \"${file}\", file_${file_count}, ${size} },\n")
    math(EXPR file_count "${file_count} + 1")
  endforeach()

  file(WRITE ${OUT}
    "/* Made by cmake/embed.cmake from lua/; changes here are lost. */\n"
    "#include \"lua/embedded.h\"\n\n"
    "${arrays}"
    "const struct cf_embedded_module cf_embedded_modules[] = {\n${module_rows}"
    "    { NULL, NULL, 0 },\n};\n"
    "const size_t cf_embedded_modules_count = ${count};\n\n"
    "const struct cf_embedded_file cf_embedded_files[] = {\n${rows}    { NULL, NULL, 0 },\n};\n")
  return()
endif()

file(GLOB_RECURSE embedded CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/lua/confab/*.lua ${PROJECT_SOURCE_DIR}/lua/project/*)
list(APPEND embedded ${PROJECT_SOURCE_DIR}/lua/meta/confab.lua)
# CONFIGURE_DEPENDS sees added and removed files by re-running CMake; this list then changes too.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/embedded.list CONTENT "${embedded}\n")
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/embedded.c
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/lua -DOUT=${PROJECT_BINARY_DIR}/embedded.c
          -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${embedded} ${PROJECT_BINARY_DIR}/embedded.list ${CMAKE_CURRENT_LIST_FILE}
          ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake
  COMMENT "Embedding lua/"
  VERBATIM)
add_library(confab_embedded STATIC ${PROJECT_BINARY_DIR}/embedded.c)
target_link_libraries(confab_embedded PUBLIC confab_options)
