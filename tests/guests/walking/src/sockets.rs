//! Sockets and names.
#![allow(unsafe_code, reason = "forges handles, as a plugin in another language may")]

use crate::bindings::wasi::sockets::instance_network::instance_network;
use crate::bindings::wasi::sockets::ip_name_lookup::{ResolveAddressStream, resolve_addresses};
use crate::bindings::wasi::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use crate::bindings::wasi::sockets::tcp::{ShutdownType, TcpSocket};
use crate::bindings::wasi::sockets::tcp_create_socket::create_tcp_socket;
use crate::bindings::wasi::sockets::udp::{IncomingDatagramStream, OutgoingDatagramStream, UdpSocket};
use crate::bindings::wasi::sockets::udp_create_socket::create_udp_socket;

const LOOPBACK: IpSocketAddress =
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 0, address: (127, 0, 0, 1) });

crate::list! { ()
    "wasi:sockets/instance-network#instance-network" => drop(instance_network()),
    "wasi:sockets/ip-name-lookup#resolve-addresses" =>
        resolve_addresses(&instance_network(), "localhost").map(|_| ()).map_err(|error| error.name()),
    "wasi:sockets/ip-name-lookup#[method]resolve-address-stream.resolve-next-address" =>
        crate::forged!(ResolveAddressStream).resolve_next_address(),
    "wasi:sockets/ip-name-lookup#[method]resolve-address-stream.subscribe" =>
        drop(crate::forged!(ResolveAddressStream).subscribe()),
    "wasi:sockets/tcp-create-socket#create-tcp-socket" => create_tcp_socket(IpAddressFamily::Ipv4).map(|_| ()).map_err(|error| error.name()),
    "wasi:sockets/tcp#[method]tcp-socket.start-bind" =>
        crate::forged!(TcpSocket).start_bind(&instance_network(), LOOPBACK),
    "wasi:sockets/tcp#[method]tcp-socket.start-connect" =>
        crate::forged!(TcpSocket).start_connect(&instance_network(), LOOPBACK),
    "wasi:sockets/tcp#[method]tcp-socket.finish-bind" => crate::forged!(TcpSocket).finish_bind(),
    "wasi:sockets/tcp#[method]tcp-socket.start-listen" => crate::forged!(TcpSocket).start_listen(),
    "wasi:sockets/tcp#[method]tcp-socket.finish-listen" => crate::forged!(TcpSocket).finish_listen(),
    "wasi:sockets/tcp#[method]tcp-socket.finish-connect" => crate::forged!(TcpSocket).finish_connect().is_ok(),
    "wasi:sockets/tcp#[method]tcp-socket.accept" => crate::forged!(TcpSocket).accept().is_ok(),
    "wasi:sockets/tcp#[method]tcp-socket.local-address" => crate::forged!(TcpSocket).local_address(),
    "wasi:sockets/tcp#[method]tcp-socket.remote-address" => crate::forged!(TcpSocket).remote_address(),
    "wasi:sockets/tcp#[method]tcp-socket.is-listening" => crate::forged!(TcpSocket).is_listening(),
    "wasi:sockets/tcp#[method]tcp-socket.address-family" => crate::forged!(TcpSocket).address_family(),
    "wasi:sockets/tcp#[method]tcp-socket.set-listen-backlog-size" => crate::forged!(TcpSocket).set_listen_backlog_size(1),
    "wasi:sockets/tcp#[method]tcp-socket.keep-alive-enabled" => crate::forged!(TcpSocket).keep_alive_enabled(),
    "wasi:sockets/tcp#[method]tcp-socket.set-keep-alive-enabled" => crate::forged!(TcpSocket).set_keep_alive_enabled(true),
    "wasi:sockets/tcp#[method]tcp-socket.keep-alive-idle-time" => crate::forged!(TcpSocket).keep_alive_idle_time(),
    "wasi:sockets/tcp#[method]tcp-socket.set-keep-alive-idle-time" => crate::forged!(TcpSocket).set_keep_alive_idle_time(1),
    "wasi:sockets/tcp#[method]tcp-socket.keep-alive-interval" => crate::forged!(TcpSocket).keep_alive_interval(),
    "wasi:sockets/tcp#[method]tcp-socket.set-keep-alive-interval" => crate::forged!(TcpSocket).set_keep_alive_interval(1),
    "wasi:sockets/tcp#[method]tcp-socket.keep-alive-count" => crate::forged!(TcpSocket).keep_alive_count(),
    "wasi:sockets/tcp#[method]tcp-socket.set-keep-alive-count" => crate::forged!(TcpSocket).set_keep_alive_count(1),
    "wasi:sockets/tcp#[method]tcp-socket.hop-limit" => crate::forged!(TcpSocket).hop_limit(),
    "wasi:sockets/tcp#[method]tcp-socket.set-hop-limit" => crate::forged!(TcpSocket).set_hop_limit(1),
    "wasi:sockets/tcp#[method]tcp-socket.receive-buffer-size" => crate::forged!(TcpSocket).receive_buffer_size(),
    "wasi:sockets/tcp#[method]tcp-socket.set-receive-buffer-size" => crate::forged!(TcpSocket).set_receive_buffer_size(1),
    "wasi:sockets/tcp#[method]tcp-socket.send-buffer-size" => crate::forged!(TcpSocket).send_buffer_size(),
    "wasi:sockets/tcp#[method]tcp-socket.set-send-buffer-size" => crate::forged!(TcpSocket).set_send_buffer_size(1),
    "wasi:sockets/tcp#[method]tcp-socket.shutdown" => crate::forged!(TcpSocket).shutdown(ShutdownType::Both),
    "wasi:sockets/tcp#[method]tcp-socket.subscribe" => drop(crate::forged!(TcpSocket).subscribe()),
    "wasi:sockets/udp-create-socket#create-udp-socket" => create_udp_socket(IpAddressFamily::Ipv4).map(|_| ()).map_err(|error| error.name()),
    "wasi:sockets/udp#[method]udp-socket.start-bind" =>
        crate::forged!(UdpSocket).start_bind(&instance_network(), LOOPBACK),
    "wasi:sockets/udp#[method]udp-socket.finish-bind" => crate::forged!(UdpSocket).finish_bind(),
    "wasi:sockets/udp#[method]udp-socket.stream" => crate::forged!(UdpSocket).stream(None).is_ok(),
    "wasi:sockets/udp#[method]udp-socket.local-address" => crate::forged!(UdpSocket).local_address(),
    "wasi:sockets/udp#[method]udp-socket.remote-address" => crate::forged!(UdpSocket).remote_address(),
    "wasi:sockets/udp#[method]udp-socket.address-family" => crate::forged!(UdpSocket).address_family(),
    "wasi:sockets/udp#[method]udp-socket.unicast-hop-limit" => crate::forged!(UdpSocket).unicast_hop_limit(),
    "wasi:sockets/udp#[method]udp-socket.set-unicast-hop-limit" => crate::forged!(UdpSocket).set_unicast_hop_limit(1),
    "wasi:sockets/udp#[method]udp-socket.receive-buffer-size" => crate::forged!(UdpSocket).receive_buffer_size(),
    "wasi:sockets/udp#[method]udp-socket.set-receive-buffer-size" => crate::forged!(UdpSocket).set_receive_buffer_size(1),
    "wasi:sockets/udp#[method]udp-socket.send-buffer-size" => crate::forged!(UdpSocket).send_buffer_size(),
    "wasi:sockets/udp#[method]udp-socket.set-send-buffer-size" => crate::forged!(UdpSocket).set_send_buffer_size(1),
    "wasi:sockets/udp#[method]udp-socket.subscribe" => drop(crate::forged!(UdpSocket).subscribe()),
    "wasi:sockets/udp#[method]incoming-datagram-stream.receive" =>
        crate::forged!(IncomingDatagramStream).receive(1).is_ok(),
    "wasi:sockets/udp#[method]incoming-datagram-stream.subscribe" =>
        drop(crate::forged!(IncomingDatagramStream).subscribe()),
    "wasi:sockets/udp#[method]outgoing-datagram-stream.check-send" =>
        crate::forged!(OutgoingDatagramStream).check_send(),
    "wasi:sockets/udp#[method]outgoing-datagram-stream.send" => crate::forged!(OutgoingDatagramStream).send(&[]),
    "wasi:sockets/udp#[method]outgoing-datagram-stream.subscribe" =>
        drop(crate::forged!(OutgoingDatagramStream).subscribe()),
}
