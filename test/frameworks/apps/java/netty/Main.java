import static io.netty.handler.codec.http.HttpHeaderNames.CONNECTION;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_LENGTH;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_TYPE;
import static io.netty.handler.codec.http.HttpHeaderNames.TRANSFER_ENCODING;
import static io.netty.handler.codec.http.HttpHeaderValues.CHUNKED;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpServerExpectContinueHandler;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Netty, stopped as its user guide has it: shutdownGracefully of both event loop
 * groups, with their quiet period of 2 s:
 * https://netty.io/wiki/user-guide-for-4.x.html#shutting-down-your-application
 */
public final class Main {
    public static void main(String[] args) throws InterruptedException {
        EventLoopGroup boss = new NioEventLoopGroup(1);
        EventLoopGroup worker = new NioEventLoopGroup();
        ServerBootstrap bootstrap = new ServerBootstrap()
            .group(boss, worker)
            .channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(new HttpServerCodec(), new HttpServerExpectContinueHandler(),
                        new HttpObjectAggregator(64 << 20), new App());
                }
            });
        bootstrap.bind("127.0.0.1", Integer.parseInt(System.getenv("PORT"))).sync();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boss.shutdownGracefully();
            worker.shutdownGracefully();
            boss.terminationFuture().syncUninterruptibly();
            worker.terminationFuture().syncUninterruptibly();
        }));
    }

    private static final class App extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
            boolean keep = HttpUtil.isKeepAlive(request);
            QueryStringDecoder uri = new QueryStringDecoder(request.uri());
            long last = Long.parseLong(uri.parameters().getOrDefault("ms", List.of("1500")).get(0));
            switch (uri.path()) {
                case "/" -> answer(ctx, keep, HttpResponseStatus.OK, "hello\n");
                case "/slow" -> ctx.executor().schedule(
                    () -> answer(ctx, keep, HttpResponseStatus.OK, "slow\n"), last, TimeUnit.MILLISECONDS);
                case "/stream" -> {
                    begin(ctx, "text/plain");
                    lines(ctx, keep, System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(last));
                }
                case "/upload" -> answer(ctx, keep, HttpResponseStatus.OK, request.content().readableBytes() + "\n");
                case "/events" -> {
                    begin(ctx, "text/event-stream");
                    events(ctx, 1);
                }
                default -> answer(ctx, keep, HttpResponseStatus.NOT_FOUND, "no such path\n");
            }
        }

        private static void answer(ChannelHandlerContext ctx, boolean keep, HttpResponseStatus status, String text) {
            FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status,
                Unpooled.copiedBuffer(text, StandardCharsets.UTF_8));
            response.headers().set(CONTENT_LENGTH, response.content().readableBytes());
            if (!keep) {
                response.headers().set(CONNECTION, "close");
            }
            finish(ctx, keep, response);
        }

        private static void begin(ChannelHandlerContext ctx, String type) {
            HttpResponse response = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
            response.headers().set(CONTENT_TYPE, type).set(TRANSFER_ENCODING, CHUNKED);
            ctx.write(response);
        }

        private static void lines(ChannelHandlerContext ctx, boolean keep, long end) {
            if (System.nanoTime() < end) {
                write(ctx, "line\n");
                ctx.executor().schedule(() -> lines(ctx, keep, end), 50, TimeUnit.MILLISECONDS);
                return;
            }
            write(ctx, "end\n");
            finish(ctx, keep, LastHttpContent.EMPTY_LAST_CONTENT);
        }

        private static void events(ChannelHandlerContext ctx, int n) {
            if (ctx.channel().isActive()) {
                write(ctx, "id: " + n + "\ndata: tick\n\n");
                ctx.executor().schedule(() -> events(ctx, n + 1), 50, TimeUnit.MILLISECONDS);
            }
        }

        private static void write(ChannelHandlerContext ctx, String text) {
            ctx.writeAndFlush(new DefaultHttpContent(Unpooled.copiedBuffer(text, StandardCharsets.UTF_8)));
        }

        private static void finish(ChannelHandlerContext ctx, boolean keep, Object last) {
            var written = ctx.writeAndFlush(last);
            if (!keep) {
                written.addListener(ChannelFutureListener.CLOSE);
            }
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            ctx.close();
        }
    }
}
