# Installation, and a Debian package of it: cpack --config DIR/CPackConfig.cmake -B DIR
include(GNUInstallDirs)
install(TARGETS trainguard RUNTIME DESTINATION sbin)
install(FILES conf/trainguard.conf DESTINATION /etc/trainguard)
install(FILES conf/deploy/trainguard.logrotate DESTINATION /etc/logrotate.d RENAME trainguard)
install(FILES conf/deploy/trainguard.service DESTINATION lib/systemd/system)
install(FILES conf/deploy/completion.bash DESTINATION share/bash-completion/completions
    RENAME trainguard)
install(FILES conf/man/trainguard.8 DESTINATION share/man/man8)
install(FILES conf/man/trainguard.conf.5 DESTINATION share/man/man5)
# The documents in the folders they have here, so that their links lead on.
install(FILES README.md CHANGES.md LICENSE DESTINATION share/doc/trainguard)
install(DIRECTORY conf DESTINATION share/doc/trainguard PATTERN man EXCLUDE PATTERN debian EXCLUDE
    PATTERN package.cmake EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME trainguard)
set(CPACK_PACKAGE_CONTACT "trainguard maintainers <trainguard@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "guarding gateway for the ModelArts API")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm conffiles)
    list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
        ${CMAKE_CURRENT_SOURCE_DIR}/conf/deploy/debian/${script})
endforeach()
include(CPack)
