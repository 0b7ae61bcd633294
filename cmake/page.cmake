# Compiles the page, src/server/page/, into the program, as the table that src/server/page.h declares.
#
# Included by CMakeLists.txt it defines the library confab_page; run with `cmake -P` it writes the C
# file.

if(CMAKE_SCRIPT_MODE_FILE)
  # cmake -DROOT=<src/server/page> -DOUT=<file.c> -P page.cmake
  include(${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)

  set(types html "text/html" css "text/css" js "text/javascript" svg "image/svg+xml")
  set(arrays "")
  set(rows "")
  set(count 0)
  file(GLOB files RELATIVE ${ROOT} ${ROOT}/*.html ${ROOT}/*.css ${ROOT}/*.js ${ROOT}/*.svg)
  list(SORT files)
  foreach(file ${files})
    embed_file(${file} asset_${count})
    string(REGEX REPLACE ".*\\." "" extension "${file}")
    list(FIND types ${extension} at)
    math(EXPR at "${at} + 1")
    list(GET types ${at} type)
    string(SUBSTRING "${hash}" 0 16 tag)
    string(APPEND rows
      "    { \"${file}\", \"${type}\", \"\\\"${tag}\\\"\", asset_${count}, ${size} },\n")
    math(EXPR count "${count} + 1")
  endforeach()

  file(WRITE ${OUT}
    "/* Made by cmake/page.cmake from src/server/page/; changes here are lost. */\n"
    "#include \"server/page.h\"\n\n"
    "${arrays}"
    "const struct cf_page_asset cf_page_assets[] = {\n${rows}    { NULL, NULL, NULL, NULL, 0 },\n};\n")
  return()
endif()

set(page ${PROJECT_SOURCE_DIR}/src/server/page)
file(GLOB assets CONFIGURE_DEPENDS ${page}/*.html ${page}/*.css ${page}/*.js ${page}/*.svg)
# CONFIGURE_DEPENDS sees added and removed files by re-running CMake; this list then changes too.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/page.list CONTENT "${assets}\n")
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/page.c
  COMMAND ${CMAKE_COMMAND} -DROOT=${page} -DOUT=${PROJECT_BINARY_DIR}/page.c
          -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${assets} ${PROJECT_BINARY_DIR}/page.list ${CMAKE_CURRENT_LIST_FILE}
          ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake
  COMMENT "Embedding the page"
  VERBATIM)
add_library(confab_page STATIC ${PROJECT_BINARY_DIR}/page.c)
target_link_libraries(confab_page PUBLIC confab_options)
